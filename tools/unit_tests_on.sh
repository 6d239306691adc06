#!/bin/sh
# Runs the unit tests on another Python, in an environment of its own: unit_tests_on.sh VERSION UV
set -eu
version=$1 uv=$2
# On the PATH, or among pyenv's, whose shims refuse to run a version that is there but not chosen.
shim=$(command -v "python$version" || true)
python=
for candidate in "$("$uv" python find "$version" 2>/dev/null)" "$shim" "${shim%/shims/*}"/versions/"$version"*/bin/python; do
    if [ -n "$candidate" ] && "$candidate" -c '' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "unit tests on Python $version: skipped, because there is no Python $version"
    if [ "${TRISKEL_REQUIRE:-}" = all ]; then
        echo "TRISKEL_REQUIRE=all: a missing Python $version is a failure"
        exit 1
    fi
    exit 0
fi
export UV_PROJECT_ENVIRONMENT=".venv-$version"
stamp=$UV_PROJECT_ENVIRONMENT/.installed
if [ ! -e "$stamp" ] || [ uv.lock -nt "$stamp" ]; then
    "$uv" sync --frozen --quiet --python "$python"
    touch "$stamp"
fi
echo "· unit tests on $("$UV_PROJECT_ENVIRONMENT"/bin/python --version)"
exec "$UV_PROJECT_ENVIRONMENT"/bin/pytest tests/unit -q -p no:cacheprovider

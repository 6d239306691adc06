"""Every number that Triskel claims, by one command each: `python -m bench.NAME`, or `make bench-NAME`.

One rule: a figure stands beside what it was measured from. Figures go to `bench/out/NAME.json`, raw samples included.
"""

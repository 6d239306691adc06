"""A model provider for one machine: an HTTP server of its own process that speaks OpenAI's chat wire.

One rule: it knows nothing of the rest of Triskel, which must find it as it would find any provider. Its answers are a
function of the request, its faults are ordered over HTTP, its numbers come from `local/data/simulated_clouds.yaml`.
"""

"""The ASGI application: one file for each surface. It translates; it decides nothing."""

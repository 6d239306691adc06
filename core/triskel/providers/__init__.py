"""How to speak to a model: one file for each wire schema. Pure: bytes and values in, bytes and values out.

Who may speak to it is another axis and belongs to `ports.credentials`.
"""

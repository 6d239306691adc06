"""The nouns. Frozen values without behaviour beyond their own arithmetic; nothing here does I/O or knows a library."""

"""One machine: the data directory, the simulated clouds, `triskel up` and `triskel serve`."""

"""What every backend of a port must do: plain classes of tests, inherited by the test module of each backend."""

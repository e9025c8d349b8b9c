"""Tools that build and check the project; `make docs` writes parts of the documentation from the code."""

"""The code of the Lambda functions: one subpackage for each function, and the modules that they share."""

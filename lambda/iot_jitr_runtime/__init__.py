"""What runs in AWS Lambda: one subpackage a function, and the domain they share."""

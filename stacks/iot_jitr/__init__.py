"""AWS IoT just-in-time registration as CDK constructs."""

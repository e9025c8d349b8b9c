"""Registers, adopts and looks after CA certificates, as a CloudFormation custom resource."""

"""Registers, adopts and manages CA certificates, as a CloudFormation custom resource."""

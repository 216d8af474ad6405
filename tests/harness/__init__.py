"""The harness of the end-to-end tests: processes, keys, raw clients and readers of Envoy's output.

The harness asserts nothing about the gate; the tests do. Each file has one concern, and none depends on a test.
"""

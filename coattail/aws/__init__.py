"""Coattail on services of AWS: what is sent there to run, and a stand-in of those services on this machine.

Stores that are services are in `stores/` and `streams/`, jobs that a service runs in `jobs/`.
"""

"""When things run: what waits, what is due, and the jobs, schedules and sensors that see to it.

Belongs here: what is started together, when and why. Does not belong here: what an asset does, or what a command does.
"""

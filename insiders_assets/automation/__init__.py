"""When things run: jobs and schedules.

Belongs here: what is started together and when. Does not belong here: what an asset does.
"""

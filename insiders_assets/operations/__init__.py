"""What a person asks for: run, serve, status, doctor, fetch. Each command of the command line calls one function here.

Belongs here: order of work, locks, processes. Does not belong here: printing (the command line does), science, SQL.
"""

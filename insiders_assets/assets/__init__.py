"""The assets, one file each, named as the asset: read inputs, call the domain, attach what people see.

Belongs here: wiring between the science and the storage. Does not belong here: science, SQL, files.
"""

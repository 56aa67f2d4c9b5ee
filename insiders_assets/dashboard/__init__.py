"""Pages for people, on the warehouse alone: who is in, why, what moved, what now.

Belongs here: what Streamlit shows, in which words and order. Does not belong here: any computation (what a page needs
and the warehouse lacks is published by an asset), any writing, and reading the lake.
"""

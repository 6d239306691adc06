"""From a folder of policies to a bundle, and from a record back to its reasons: drafts, golden cases, replays, explanations.

One rule: everything here is asked for by people and nothing by a call; what decides calls is what `cedar` runs.
"""

"""A wearer: how is this person, and is this unusual for them?"""

"""The wearers: how is this person, out of a thousand?

A list (`dashboard.lists`): `ranked` says who is on it and in which order, `columns` what of them is shown, `rows` reads
that for the whole page at once, and `views` answers.
"""

"""People, their teams and who is invited: for those who manage them, and for the leads of teams."""

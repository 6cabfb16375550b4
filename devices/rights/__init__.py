"""Who sees whom: teams, invitations, roles; and who looked at or changed what."""

"""The alerts list: what do I handle next?

A view (open, firing, mine, ...), severities and a class narrow it; all of it stands in the URL. Pages are keysets over
(opened_at, alert_id), so that the ten-thousandth row is as near as the first. Without a class the pages are those of
the clinical alerts, and the newest technical ones stand below the first: however many they are, they push nothing out.
"""

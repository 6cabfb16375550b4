"""Times as the admin writes them on the page of a row: by the clock of who looks, and by how much that is not UTC."""

DATETIME_FORMAT = "Y-m-d H:i:s (\\U\\T\\C O)"

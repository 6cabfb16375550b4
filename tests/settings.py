"""Settings of the tests: those of the project, on the services of the environment or the embedded ones."""

import os
from urllib.parse import urlsplit
from uuid import uuid4

from telara import embedded

embedded.join(["manage.py", "test"])
os.environ.setdefault("TELARA_LIVE_PREFIX", f"telara-test-{uuid4().hex[:12]}")
os.environ.setdefault("SECRET_KEY", "of the tests, where all services are named")

from telara.settings import *  # noqa: E402, F403

TESTING = True
DEBUG = False
TELARA_FAILPOINTS = os.environ.get("TELARA_FAILPOINTS", "")
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TELARA_KAFKA_GROUP = "telara-tests"
# A database of Redis for each worker of the suite: what one of them clears, another may be counting on.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
CACHES["default"]["LOCATION"] = urlsplit(REDIS_URL)._replace(path=f"/{1 + _worker % 15}").geturl()  # noqa: F405
WHITENOISE_AUTOREFRESH = True  # no collectstatic before the tests

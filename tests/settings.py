"""Settings of the tests: those of the project, on the services of the environment or the embedded ones."""

import os
from ipaddress import ip_network
from urllib.parse import urlsplit
from uuid import uuid4

from telara import embedded

embedded.join(["manage.py", "test"])
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
os.environ.setdefault("TELARA_TEST_RUN", uuid4().hex[:12])  # workers and the processes of tests inherit it
os.environ["TELARA_LIVE_PREFIX"] = f"telara-test-{os.environ['TELARA_TEST_RUN']}-{WORKER}"  # they hear no other's news
# A database of Redis for each worker of the suite and its processes: what one counts or clears is no other's.
_database = 1 + int(WORKER.removeprefix("gw")) % 15
os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{_database}").geturl()
os.environ.setdefault("SECRET_KEY", "of the tests, where all services are named")

from telara.settings import *  # noqa: E402, F403

DEBUG = False
TELARA_FAILPOINTS = os.environ.get("TELARA_FAILPOINTS", "")
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TELARA_KAFKA_GROUP = "telara-tests"
TELARA_NOTIFY_NETWORKS = (ip_network("127.0.0.0/8"),)  # where the tests listen
WHITENOISE_AUTOREFRESH = True  # no collectstatic before the tests

"""The web process: HTTP by Django behind a gate, sockets by the dashboard."""

import os

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telara.settings")
django.setup(set_prefix=False)

from dashboard.live.routes import sockets  # noqa: E402  # models can be imported from here on
from ingestion.gate import Gate  # noqa: E402
from telara.handler import Handler  # noqa: E402

application = ProtocolTypeRouter({"http": Gate(Handler()), "websocket": sockets})

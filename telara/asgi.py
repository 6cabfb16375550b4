"""The web process: HTTP by Django behind a gate, sockets by the dashboard."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telara.settings")
pages = get_asgi_application()

from dashboard.live.routes import sockets  # noqa: E402  # models can be imported from here on
from ingestion.gate import Gate  # noqa: E402

application = ProtocolTypeRouter({"http": Gate(pages), "websocket": sockets})

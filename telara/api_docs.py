"""The page that shows the API: Swagger UI from our own static files, under the policy of every other page."""

from drf_spectacular.views import SpectacularSwaggerSplitView


class DocsView(SpectacularSwaggerSplitView):
    """Its script is an answer of its own, its template (`drf_spectacular/swagger_ui.html`) ours: nothing is inline."""

    url_name = "api-schema"

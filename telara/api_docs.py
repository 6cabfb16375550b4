"""The page that shows the API: Swagger UI from our own static files, under our own content security policy."""

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularSwaggerSplitView


@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """Its script is a file of its own; Swagger UI writes its styles as it goes, which this page alone allows."""

    url_name = "api-schema"

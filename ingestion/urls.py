"""The addresses of the pipeline's page."""

from django.urls import path

from ingestion.page import pages

urlpatterns = [
    path("pipeline/", pages.pipeline, name="pipeline"),
    path("pipeline/again/", pages.send_again, name="pipeline-again"),
]

from django.apps import AppConfig


class TelaraConfig(AppConfig):
    name = "telara"

    def ready(self) -> None:
        """Load the Celery application with Django, so that every `shared_task` finds it."""
        import telara.celery  # noqa: F401

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "devices"

    def ready(self) -> None:
        """Listen to sign-ins."""
        import devices.account.signins  # noqa: F401

"""Settings, all of them, read from the environment; what is wrong or missing stops the start and says its name.

With nothing set, `manage.py` joins the embedded services first and puts their addresses into the environment.
"""

import os
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import environ

from telara.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
CENTURY_D = 36_500


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # it has no types
    """The environment; a value of the wrong kind is named."""

    TRUE: Final = ("true", "on", "ok", "yes", "y", "1")
    FALSE: Final = ("false", "off", "no", "n", "0", "")
    RATE: Final = re.compile(r"[1-9]\d{0,8}/(s|sec|second|m|min|minute|h|hour|d|day)")

    def get_value(self, var: str, cast: Any = None, **options: Any) -> Any:
        """The value as it stands: django-environ takes `$NAME` for another variable's. Of a file's, line ends behind it
        are none of it."""
        try:
            if var not in self.ENVIRON:
                return super().get_value(var, cast=cast, **options)
            value = self.ENVIRON[var]
            return self.parse_value(value.rstrip("\r\n") if f"{var}_FILE" in os.environ else value, cast)
        except OSError as error:
            raise environ.ImproperlyConfigured(f"{var}_FILE: it cannot be read: {error.strerror}.") from None
        except (TypeError, ValueError) as error:
            raise environ.ImproperlyConfigured(f"{var}={os.environ.get(var)!r}: {error}.") from None

    @classmethod
    def parse_value(cls, value: str, cast: Any) -> Any:
        if cast is list:
            return [item.strip() for item in value.split(",") if item.strip()]
        if cast is not bool:
            return super().parse_value(value, cast)
        word = value.strip().lower()
        if word not in (*cls.TRUE, *cls.FALSE):
            raise ValueError("it is true or false")
        return word in cls.TRUE

    def whole(self, var: str, *, default: int, least: int, most: int = 1_000_000) -> int:
        """A whole number from `least` to `most`."""
        value: int = self.int(var, default=default)
        if not least <= value <= most:
            raise environ.ImproperlyConfigured(f"{var}={value}: it is a whole number from {least:,} to {most:,}.")
        return value

    def one_of(self, var: str, *choices: str, default: str) -> str:
        value: str = self.str(var, default=default)
        if value not in choices:
            raise environ.ImproperlyConfigured(f"{var}={value!r}: it is one of {', '.join(choices)}.")
        return value

    def rate(self, var: str, *, default: str) -> str:
        """So many requests in a time."""
        value: str = self.str(var, default=default)
        if not self.RATE.fullmatch(value):
            raise environ.ImproperlyConfigured(f"{var}={value!r}: it is a number above 0 and a time, such as 60/min.")
        return value


env = Environment()

DEBUG: bool = env.bool("DEBUG", default=False)
SECRET_KEY: str = env.str("SECRET_KEY", default="only for debugging" if DEBUG else environ.Env.NOTSET)
if not SECRET_KEY.strip():
    raise environ.ImproperlyConfigured("SECRET_KEY: it is empty; it is a long text that nobody knows.")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PORT: int = env.whole("PORT", default=8000, least=1, most=65_535)
TELARA_DEMO_PASSWORD: str = env.str("TELARA_DEMO_PASSWORD", default="")  # empty: one is made up

INSTALLED_APPS = [
    "telara",
    "dashboard",
    "ingestion",
    "alerts",
    "devices",
    "telara.admin_config.TelaraAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
]
MIDDLEWARE = [
    "telara.requests.request_log",
    "telara.origin.audit_origin",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "telara.headers.private_answers",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "telara.signed_in.SignedInMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.reader.ReaderMiddleware",
]
ROOT_URLCONF = "telara.urls"
ASGI_APPLICATION = "telara.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Storage. CONN_HEALTH_CHECKS and close_old_connections() before each batch: a restarted server costs no batch.
try:
    if env.str("DATABASE_URL").partition(":")[0] not in {"postgresql", "postgres", "django.db.backends.dummy"}:
        raise ValueError
    _database = env.db("DATABASE_URL")
except ValueError:  # its text stays unsaid: it may hold a password
    raise environ.ImproperlyConfigured("DATABASE_URL: it is postgresql://user:password@host:5432/name.") from None
# Compiling a query that reads for everybody takes PostgreSQL longer than reading. A process that is frozen in the midst
# of a transaction would hold others up for ever, and a server whose machine is gone without a word be waited for for
# hours. ?options= says otherwise.
_options = {
    "connect_timeout": 5,
    "options": "-c jit=off -c idle_in_transaction_session_timeout=120s",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
} | _database.get("OPTIONS", {})
DATABASES: dict[str, Any] = {
    "default": _database
    | {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "HOST": _options.pop("host", _database["HOST"]),  # ?host=/folder/of/the/socket
        "OPTIONS": _options,
        "ATOMIC_REQUESTS": False,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "devices.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

# Signing in: django-allauth's stages and models; the pages, the limits of tries and the mail are Telara's own.
ACCOUNT_ADAPTER = "devices.account.allauth_adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_TIMEOUT = 600  # seconds between the password and the second factor
MFA_ADAPTER = "devices.account.allauth_adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Telara"
PASSWORD_RESET_TIMEOUT = int(timedelta(days=1).total_seconds())
TELARA_STAFF_SECOND_FACTOR: bool = env.bool("TELARA_STAFF_SECOND_FACTOR", default=False)
try:
    _mail = Environment.email_url_config(env.str("EMAIL_URL", default="") or "dummymail://")
    if not _mail.get("EMAIL_BACKEND"):
        raise ValueError
except (ValueError, KeyError, TypeError, environ.ImproperlyConfigured):  # its text stays unsaid: it may hold a password
    raise environ.ImproperlyConfigured("EMAIL_URL: it is smtp+tls://user:password@host:587.") from None
TELARA_MAIL = _mail["EMAIL_BACKEND"] != "django.core.mail.backends.dummy.EmailBackend"
TELARA_URL: str = env.str("TELARA_URL", default="")  # how people reach the site, for links in messages
if TELARA_URL and not re.match(r"https?://[^\s/?#]", TELARA_URL):
    raise environ.ImproperlyConfigured(f"TELARA_URL={TELARA_URL!r}: it is a whole address: https://telara.example.org.")
if TELARA_MAIL and not TELARA_URL:
    raise environ.ImproperlyConfigured("EMAIL_URL needs TELARA_URL, the site that links in mails lead to: https://...")
EMAIL_BACKEND: str = _mail["EMAIL_BACKEND"]
EMAIL_HOST: str = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT: int = _mail.get("EMAIL_PORT") or (465 if _mail.get("EMAIL_USE_SSL") else 587)
EMAIL_HOST_USER: str = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD: str = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS: bool = bool(_mail.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL: bool = bool(_mail.get("EMAIL_USE_SSL"))
EMAIL_FILE_PATH: str = _mail.get("EMAIL_FILE_PATH") or ""
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL: str = env.str("TELARA_MAIL_FROM", default="Telara <telara@localhost>")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "telara.formats"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

# Security. Nothing inline, nothing from elsewhere, on any page.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE: bool = env.bool("TELARA_SECURE_COOKIES", default=False)
CSRF_COOKIE_SECURE: bool = SESSION_COOKIE_SECURE
if SESSION_COOKIE_SECURE:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds())
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# Kafka. Every KAFKA_SECURITY_..., KAFKA_SASL_... and KAFKA_SSL_... becomes the librdkafka property of that name.
KAFKA: dict[str, str] = {"bootstrap.servers": env.str("KAFKA_BOOTSTRAP_SERVERS")} | {
    name.removeprefix("KAFKA_").lower().replace("_", "."): value
    for name, value in os.environ.items()
    if name.startswith(("KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_"))
}
TELARA_KAFKA_EMBEDDED: bool = "kafka" in env.list("TELARA_EMBEDDED", default=[])
TELARA_KAFKA_CLUSTER_ID: str = env.str("TELARA_CLUSTER_ID", default="")  # empty: the broker's own
TELARA_KAFKA_GROUP: str = env.str("TELARA_KAFKA_GROUP", default="telara")
TELARA_KAFKA_GROUP_PROTOCOL: str = env.one_of("TELARA_KAFKA_GROUP_PROTOCOL", "consumer", "classic", default="consumer")
TELARA_KAFKA_PARTITIONS: int = env.whole("TELARA_KAFKA_PARTITIONS", default=6, least=1)
TELARA_KAFKA_REPLICATION: int = env.whole("TELARA_KAFKA_REPLICATION", default=1, least=1)
TELARA_TOPIC_RAW = "biometrics-raw"
TELARA_TOPIC_ALERTS = "biometrics-alerts"
TELARA_TOPIC_DEAD_LETTER = "biometrics-dead-letter"

# Ingestion and detection.
TELARA_UNKNOWN_USERS: str = env.one_of("TELARA_UNKNOWN_USERS", "provision", "quarantine", default="provision")
TELARA_FRESHNESS = timedelta(minutes=env.whole("TELARA_FRESHNESS_MINUTES", default=15, least=1))
TELARA_RETENTION_DAYS: int = env.whole("TELARA_RETENTION_DAYS", default=0, least=0, most=CENTURY_D)  # 0: for ever
TELARA_AUDIT_DAYS: int = env.whole("TELARA_AUDIT_DAYS", default=0, least=0, most=CENTURY_D)  # 0: for ever
TELARA_ERASURE_GRACE = timedelta(hours=env.whole("TELARA_ERASURE_GRACE_HOURS", default=24, least=0))
TELARA_ERASURE_KEY: str = env.str("TELARA_ERASURE_KEY", default="")  # empty: SECRET_KEY
TELARA_PARTITION_BY: str = env.one_of("TELARA_PARTITION_BY", "month", "week", "day", default="month")
TELARA_BATCH_MESSAGES: int = env.whole("TELARA_BATCH_MESSAGES", default=16_000, least=1)
TELARA_BATCH_AGE = timedelta(milliseconds=env.whole("TELARA_BATCH_AGE_MS", default=200, least=0))
TELARA_WEB_THREADS: int = env.whole("TELARA_WEB_THREADS", default=32, least=1)
TELARA_FAILPOINTS: str = env.str("TELARA_FAILPOINTS", default="") if DEBUG else ""

# Redis: screens, Celery.
REDIS_URL: str = env.str("REDIS_URL")
if not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise environ.ImproperlyConfigured("REDIS_URL: it is redis://:password@host:6379/0.")
# Redis' pub/sub knows no database numbers: two installations on one server are kept apart by this prefix.
TELARA_LIVE_PREFIX: str = env.str("TELARA_LIVE_PREFIX", default="telara" + urlsplit(REDIS_URL).path.replace("/", ":"))
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": TELARA_LIVE_PREFIX},
    }
}
# Sockets of one person that show all they may see; twenty times as many that are narrowed to one wearer.
TELARA_SOCKETS_PER_PERSON: int = env.whole("TELARA_SOCKETS_PER_PERSON", default=60, least=1)
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "telara.beat:Scheduler"

# API.
TELARA_TOKEN_LIFETIME = timedelta(days=env.whole("TELARA_TOKEN_DAYS", default=30, least=1, most=CENTURY_D))
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "devices.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["devices.authentication.IsPerson"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["devices.parsers.SmallJSONParser"],
    "DEFAULT_METADATA_CLASS": "devices.metadata.Metadata",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "ALLOWED_VERSIONS": ["1"],  # else any ?version= of the schema stands in it, and in a header
    "EXCEPTION_HANDLER": "devices.errors.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": [
        "devices.throttles.Anonymous",
        "devices.throttles.SignedIn",
        "devices.throttles.Scoped",
    ],
    "NUM_PROXIES": env.whole("TELARA_PROXIES", default=0, least=0),  # how many of ours stand before the web process
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.rate("TELARA_THROTTLE_ANON", default="60/min"),
        "user": env.rate("TELARA_THROTTLE_USER", default="1200/min"),
        "login": env.rate("TELARA_THROTTLE_LOGIN", default="10/min"),
        "backtest": env.rate("TELARA_THROTTLE_BACKTEST", default="20/min"),
    },
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
SPECTACULAR_SETTINGS = {
    "TITLE": "Telara",
    "DESCRIPTION": "Readings in, alerts out. Telara is not a medical device.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    "ENUM_NAME_OVERRIDES": {
        "CloseReasonEnum": "alerts.models.alert.CloseReason",
        "DeliveryStateEnum": "alerts.models.notification.Delivery.State",
        "EndEnum": "alerts.models.alert.End",
        "EpisodeEndEnum": ["cleared", "gap", "open"],
        "IncidentStateEnum": "alerts.models.incident.IncidentState",
        "MuteStateEnum": ["on", "planned", "over"],
        "SeverityEnum": "alerts.models.alert.Severity",
        "SleepStageEnum": ["awake", "light", "deep", "rem"],
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "devices.openapi.describe_errors"],
}

# Notifications: the private networks that channels may lead to.
try:
    TELARA_NOTIFY_NETWORKS = tuple(ip_network(each) for each in env.list("TELARA_NOTIFY_NETWORKS", default=[]))
except ValueError as error:
    raise environ.ImproperlyConfigured(f"TELARA_NOTIFY_NETWORKS: {error}.") from None

TELARA_METRICS_TOKEN: str = env.str("TELARA_METRICS_TOKEN", default="")  # empty: only this machine may scrape
LOG_LEVEL: str = env.one_of("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", default="INFO")
LOGGING = logging_config(LOG_LEVEL)
LOGGING_CONFIG = "telara.logs.configure"

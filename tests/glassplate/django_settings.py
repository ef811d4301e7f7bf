"""Settings of Django for tests, which a process has once."""

import django
from django.conf import settings

DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


def configure_django():
    """Configure Django with a database in memory."""
    if not settings.configured:
        settings.configure(DATABASES={"default": DATABASE}, INSTALLED_APPS=[], USE_TZ=True)
        django.setup()

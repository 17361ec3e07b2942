"""A Django site in one file: the stock login view, and django-oauth-toolkit as OpenID provider.

`provider.py prepare FOLDER` makes the signing key and the empty database; `provider:serve()` is
the WSGI application, which registers alice and the three clients when it starts.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.urls import include, path

LOGIN_PAGE = """<!doctype html>
<title>Sign in</title>
<form method="post">
  {% csrf_token %}
  {{ form.as_p }}
  <input type="hidden" name="next" value="{{ next }}">
  <button type="submit">Sign in</button>
</form>
"""

# Filled by `configure`: Django reads it from the module named in ROOT_URLCONF.
urlpatterns = []


def configure(folder, issuer, signing_key):
    address = urlsplit(issuer)
    settings.configure(
        SECRET_KEY="for-tests-only",
        ALLOWED_HOSTS=["*"],
        CSRF_TRUSTED_ORIGINS=[f"{address.scheme}://{address.netloc}"],
        ROOT_URLCONF=__name__,
        LOGIN_URL="/accounts/login/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "database.sqlite3",
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ],
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {"registration/login.html": LOGIN_PAGE},
                        ),
                        "django.template.loaders.app_directories.Loader",
                    ],
                },
            }
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": issuer,
            "OIDC_RSA_PRIVATE_KEY": signing_key,
            "SCOPES": {"openid": "OpenID", "profile": "Profile", "email": "Email"},
        },
    )
    django.setup()
    from django.contrib.auth.views import LoginView

    urlpatterns[:] = [
        path("accounts/login/", LoginView.as_view(), name="login"),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]


def prepare(folder):
    from jwcrypto.jwk import JWK

    key = JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None)
    (folder / "signing-key.pem").write_bytes(key)
    configure(folder, "http://127.0.0.1/o", key.decode())
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def register(redirect_uri):
    from django.contrib.auth.models import User
    from oauth2_provider.models import get_application_model

    alice = User.objects.create_user("alice", "alice@example.org", "wonderland", first_name="Alice")
    for client_id, client_type in (
        ("conf-basic", "confidential"),
        ("conf-post", "confidential"),
        ("public-spa", "public"),
    ):
        get_application_model().objects.create(
            client_id=client_id,
            name=client_id,
            client_type=client_type,
            client_secret=f"{client_id}-secret" if client_type == "confidential" else "",
            user=alice,
            redirect_uris=redirect_uri,
            authorization_grant_type="authorization-code",
            algorithm="RS256",
        )


def serve():
    folder = Path(os.environ["STATE"])
    key = (folder / "signing-key.pem").read_text()
    configure(folder, os.environ["ISSUER"], key)
    register(os.environ["REDIRECT_URI"])
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


if __name__ == "__main__" and sys.argv[1:2] == ["prepare"]:
    prepare(Path(sys.argv[2]).resolve())

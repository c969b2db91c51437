"""The addresses of signing in and of the account, under the names by which allauth finds them.

There is no sign-up, and no page of allauth that another page replaces.
"""

from allauth.account import views as allauth
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkeys
from allauth.socialaccount import views as connections
from allauth.socialaccount.providers.openid_connect import views as openid
from django.urls import path, re_path
from django.views.decorators.http import require_POST, require_safe

from dashboard.account import address_views, views
from dashboard.account.adapter import MAILS
from dashboard.account.openid import PROVIDER
from dashboard.account.pages import placed, proven
from dashboard.http.password_hashing import PASSWORDS

urlpatterns = [
    path("sign-in/", PASSWORDS.around(allauth.login), name="account_login"),
    path("sign-in/inactive/", allauth.account_inactive, name="account_inactive"),
    path("sign-in/forgotten/", MAILS.around(views.forgotten), name="account_reset_password"),
    path("sign-in/forgotten/sent/", allauth.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^sign-in/new-password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        PASSWORDS.around(allauth.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "sign-in/new-password/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("sign-in/second-factor/", factors.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("sign-in/with/<slug:provider_id>/", PROVIDER.around(views.leave), name="openid_connect_login"),
    path(
        "sign-in/with/<slug:provider_id>/back/",
        require_safe(PROVIDER.around(openid.callback, "GET")),
        name="openid_connect_callback",
    ),
    path("sign-in/cancelled/", connections.login_cancelled, name="socialaccount_login_cancelled"),
    path("sign-out/", require_POST(allauth.logout), name="account_logout"),
    path("account/", views.profile, name="account"),
    path(
        "account/password/",
        placed(PASSWORDS.around(allauth.password_change), "password"),
        name="account_change_password",
    ),
    path(
        "account/password/set/",
        placed(PASSWORDS.around(allauth.password_set), "password"),
        name="account_set_password",
    ),
    path("account/email/", address_views.change, name="account_email_change"),
    path("account/confirm-email/", address_views.prove, name="account_email_prove"),
    path("account/email/<secret:secret>/", address_views.opened, name="account_email_link"),
    path(
        "account/confirm/",
        placed(PASSWORDS.around(allauth.reauthenticate), "confirm"),
        name="account_reauthenticate",
    ),
    path("account/confirm/code/", placed(factors.reauthenticate, "confirm"), name="mfa_reauthenticate"),
    path(
        "account/confirm/passkey/",
        placed(passkeys.reauthenticate_webauthn, "confirm"),
        name="mfa_reauthenticate_webauthn",
    ),
    path("account/factors/", require_safe(placed(factors.index, "factors")), name="mfa_index"),
    path("account/factors/app/add/", placed(proven(views.add_app), "factors"), name="mfa_activate_totp"),
    path("account/factors/app/remove/", placed(app.deactivate_totp, "factors"), name="mfa_deactivate_totp"),
    path(
        "account/factors/codes/",
        require_safe(placed(codes.view_recovery_codes, "factors")),
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/factors/codes/new/",
        placed(proven(codes.generate_recovery_codes), "factors"),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "account/factors/codes/download/",
        require_safe(placed(codes.download_recovery_codes, "factors")),
        name="mfa_download_recovery_codes",
    ),
    path(
        "account/passkeys/",
        require_safe(placed(passkeys.list_webauthn, "passkeys")),
        name="mfa_list_webauthn",
    ),
    path("account/passkeys/add/", placed(proven(passkeys.add_webauthn), "passkeys"), name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/", placed(passkeys.edit_webauthn, "passkeys"), name="mfa_edit_webauthn"),
    path(
        "account/passkeys/<int:pk>/remove/",
        placed(passkeys.remove_webauthn, "passkeys"),
        name="mfa_remove_webauthn",
    ),
    path(
        "account/connection/",
        placed(connections.connections, "connection"),
        name="socialaccount_connections",
    ),
    path("account/sessions/", views.listed, name="account_sessions"),
    path("account/sessions/end/", views.end_others, name="account_sessions_end"),
    path("account/sessions/<int:session>/end/", views.end_one, name="account_session_end"),
]

"""The addresses of signing in and of the account. The names are those by which allauth finds them.

Only what is offered stands here: no sign-up, and no page of allauth's that another one makes needless.
"""

from allauth.account import views as allauth
from django.urls import path, re_path
from django.views.decorators.http import require_POST

from dashboard.account import views
from dashboard.account.pages import placed

urlpatterns = [
    path("sign-in/", allauth.login, name="account_login"),
    path("sign-in/inactive/", allauth.account_inactive, name="account_inactive"),
    path("sign-in/forgotten/", views.forgotten, name="account_reset_password"),
    path("sign-in/forgotten/sent/", allauth.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^sign-in/new-password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "sign-in/new-password/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("sign-out/", require_POST(allauth.logout), name="account_logout"),
    path("account/", views.profile, name="account"),
    path("account/password/", placed(allauth.password_change, "password"), name="account_change_password"),
    path("account/password/set/", placed(allauth.password_set, "password"), name="account_set_password"),
    path("account/confirm/", placed(allauth.reauthenticate, "confirm"), name="account_reauthenticate"),
    path("account/sessions/", views.listed, name="account_sessions"),
    path("account/sessions/end/", views.end_others, name="account_sessions_end"),
    path("account/sessions/<int:session>/end/", views.end_one, name="account_session_end"),
]

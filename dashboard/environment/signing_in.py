"""Settings of signing in, for Django and allauth; none of them depends on the environment.

`dashboard.settings` has them all by their names here.
"""

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
ACCOUNT_ADAPTER = "dashboard.account.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # nobody signs up here; dashboard.account confirms addresses itself
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to addresses that strangers type
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
PASSWORD_RESET_TIMEOUT = 3600  # seconds
# Django's token: a link works as long as the account has the address that it was sent to. allauth's token
# would store that address in a table of its own, so that a former address could sign in and reset the
# password.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105 - a class
ACCOUNT_FORMS = {"reset_password_from_key": "dashboard.account.forms.ResetPasswordKeyForm"}
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_RATE_LIMITS = {
    # Wrong passwords and codes, for one account and from one network address (dashboard.account.tries).
    "login_failed": "5/5m/key",
    "login_failed_from": "30/5m/ip",
    "login": "60/m/ip",
    "reauthenticate": "10/5m/user",
    "change_password": "10/5m/user",
    "manage_email": "5/5m/user",
    "invite": "30/h/user",  # by e-mail
}
MFA_ADAPTER = "dashboard.account.factors.Factors"
MFA_FORMS = {
    "authenticate": "dashboard.account.forms.AuthenticateForm",
    "reauthenticate": "dashboard.account.forms.ReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # a step of 30 s before and after: clocks differ, and typing takes time
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}
SOCIALACCOUNT_ADAPTER = "dashboard.account.openid.Connections"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = (
    False  # dashboard.account.openid decides when an address connects an account
)
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True}}

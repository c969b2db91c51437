"""The vocabulary of the audit log: every action once, with the words that the log and its filter say."""

from __future__ import annotations

from django.db.models import TextChoices


class Action(TextChoices):
    """What is done; the words are those of a sentence that begins with who does it."""

    DEVICE_REGISTERED = "device-registered", "Registered a device"
    DEVICE_PREREGISTERED = "device-preregistered", "Preregistered a device"
    DEVICE_CHANGED = "device-changed", "Changed a device"
    DEVICES_PREREGISTERED = "devices-preregistered", "Preregistered devices from a list"
    DEVICE_MOVED = "device-moved", "Moved a device"
    DEVICE_DEACTIVATED = "device-deactivated", "Deactivated a device"
    DEVICE_DELETED = "device-deleted", "Deleted a device"
    FLEET_CREATED = "fleet-created", "Created a fleet"
    FLEET_CHANGED = "fleet-changed", "Changed a fleet"
    FLEET_DELETED = "fleet-deleted", "Deleted a fleet"
    KEYS_HANDED_OUT = "keys-handed-out", "Took the keys of a list of devices"
    KEY_CREATED = "key-created", "Created a key"
    KEY_ROTATED = "key-rotated", "Rotated a key"
    KEY_EXCHANGED = "key-exchanged", "Exchanged a key for a new one"
    KEY_REVOKED = "key-revoked", "Revoked a key"
    KEY_REFUSED = "key-refused", "Used a key that was refused"
    MEMBER_INVITED = "member-invited", "Invited a member"
    INVITATION_REVOKED = "invitation-revoked", "Revoked an invitation"
    MEMBER_JOINED = "member-joined", "Joined"
    MEMBER_REMOVED = "member-removed", "Ended a membership"
    ROLE_CHANGED = "role-changed", "Changed a member's role"
    ORGANIZATION_CREATED = "organization-created", "Created the organization"
    ORGANIZATION_RENAMED = "organization-renamed", "Renamed the organization"
    ORGANIZATION_DELETED = "organization-deleted", "Deleted the organization"
    PLAN_CHANGED = "plan-changed", "Changed the plan"
    JOB_CANCELLED = "job-cancelled", "Cancelled a job"
    SIGNED_IN = "signed-in", "Signed in"
    SIGN_IN_FAILED = "sign-in-failed", "Failed to sign in"
    SIGNED_OUT = "signed-out", "Signed out"
    SESSIONS_ENDED = "sessions-ended", "Ended sessions elsewhere"
    PASSWORD_CHANGED = "password-changed", "Changed the password"
    PASSWORD_RESET = "password-reset", "Set a new password by a link"
    FACTOR_ADDED = "factor-added", "Added a second factor"
    FACTOR_REMOVED = "factor-removed", "Removed a second factor"
    CODES_RENEWED = "recovery-codes-renewed", "Made new recovery codes"
    EMAIL_PROVEN = "email-proven", "Confirmed an e-mail address"
    CONNECTED = "sign-in-connected", "Connected a sign-in"
    DISCONNECTED = "sign-in-disconnected", "Disconnected a sign-in"


class Kind(TextChoices):
    """What an action is about."""

    DEVICE = "device", "Device"
    FLEET = "fleet", "Fleet"
    KEY = "key", "Key"
    MEMBER = "member", "Member"
    INVITATION = "invitation", "Invitation"
    ORGANIZATION = "organization", "Organization"
    JOB = "job", "Job"
    LIST = "list", "List of devices"
    ACCOUNT = "account", "Account"

"""The addresses of the pages."""

from django.urls import path

from dashboard import (
    audit,
    devices,
    login,
    mutes,
    notes,
    notifications,
    pins,
    simulator,
    triage,
)
from dashboard.account import confirm, email, factors, passwords, second, security
from dashboard.alert import views as alert
from dashboard.desk import bulk, known, saved_views
from dashboard.desk import views as desk
from dashboard.export import views as export
from dashboard.overview import views as overview
from dashboard.own import erasure, keys
from dashboard.own import page as own
from dashboard.people import accept, invitations, listing
from dashboard.people import teams as teams_pages
from dashboard.rules import backtest, draft, form
from dashboard.rules import views as rules
from dashboard.wearer import views as wearer
from dashboard.wearers import views as wearers

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("overview/parts/", overview.overview_parts, name="overview-parts"),
    path("wearers/", wearers.wearers, name="wearers"),
    path("wearers/<str:user_id>/", wearer.wearer, name="wearer"),
    path("wearers/<str:user_id>/mutes/", mutes.mutes, name="mutes"),
    path("wearers/<str:user_id>/mutes/<int:mute_id>/end/", mutes.mute_over, name="mute-end"),
    path("wearers/<str:user_id>/pin/", pins.pin, name="pin"),
    path("wearers/<str:user_id>/notes/", notes.note_new, name="notes"),
    path("wearers/<str:user_id>/notes/<int:note_id>/remove/", notes.note_back, name="note-remove"),
    path("wearers/<str:user_id>/export/<str:file>", export.export, name="export"),
    path("alerts/", desk.desk, name="alerts"),
    path("alerts/known/", known.known, name="alerts-known"),
    path("alerts/views/", saved_views.save_view, name="save-view"),
    path("alerts/views/<int:view_id>/delete/", saved_views.forget_view, name="forget-view"),
    path("alerts/<uuid:alert_id>/", alert.alert, name="alert"),
    path("triage/<uuid:alert_id>/<slug:action>/", triage.triage, name="triage"),
    path("triage/bulk/<slug:action>/", bulk.bulk, name="bulk"),
    path("triage/technical/snooze/", triage.snooze_technical, name="snooze-technical"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<slug:rule_id>/", rules.rule, name="rule"),
    path("rules/<slug:rule_id>/switch/", rules.switch, name="rule-switch"),
    path("rules/<slug:rule_id>/compare/", draft.compare, name="rule-compare"),
    path("rules/<slug:rule_id>/yaml/", rules.export, name="rule-yaml"),
    path("rules-lint/", draft.lint, name="rules-lint"),
    path("rules-form/", form.form, name="rules-form"),
    path("rules-backtest/", backtest.backtest, name="rules-backtest"),
    path("rules-backtest/progress/", backtest.progress, name="rules-backtest-progress"),
    path("rules-backtest/stop/", backtest.stop, name="rules-backtest-stop"),
    path("devices/", devices.devices, name="devices"),
    path("simulator/", simulator.simulator, name="simulator"),
    path("simulator/<int:simulation_id>/stop/", simulator.simulator_stop, name="simulator-stop"),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/channels/<int:channel_id>/test/", notifications.channel_try, name="channel-test"),
    path("notifications/channels/<int:channel_id>/remove/", notifications.channel_delete, name="channel-remove"),
    path("notifications/routes/<int:route_id>/switch/", notifications.route_turn, name="route-switch"),
    path("notifications/routes/<int:route_id>/remove/", notifications.route_delete, name="route-remove"),
    path("settings/", own.settings_page, name="settings"),
    path("settings/devices/", keys.device_new, name="settings-device-new"),
    path("settings/devices/<int:device_id>/name/", keys.device_name, name="settings-device-name"),
    path("settings/devices/<int:device_id>/token/", keys.device_token, name="settings-device-token"),
    path("settings/devices/<int:device_id>/revoke/", keys.device_revoke, name="settings-device-revoke"),
    path("settings/tokens/", keys.key_new, name="settings-token-new"),
    path("settings/tokens/<int:token_id>/revoke/", keys.key_revoke, name="settings-token-revoke"),
    path("settings/delete/", erasure.delete, name="settings-delete"),
    path("settings/delete/undo/", erasure.undo, name="settings-delete-undo"),
    path("settings/security/", security.security, name="security"),
    path("settings/security/confirm/", confirm.confirm, name="security-confirm"),
    path("settings/security/password/", passwords.password, name="security-password"),
    path("settings/security/email/", email.email, name="security-email"),
    path("settings/security/app/", factors.app, name="security-app"),
    path("settings/security/app/remove/", factors.app_off, name="security-app-remove"),
    path("settings/security/passkeys/", factors.passkey_new, name="security-passkey-new"),
    path("settings/security/passkeys/<int:passkey_id>/name/", factors.passkey_name, name="security-passkey-name"),
    path("settings/security/passkeys/<int:passkey_id>/remove/", factors.passkey_off, name="security-passkey-remove"),
    path("settings/security/codes/", factors.codes, name="security-codes"),
    path("settings/security/codes/file/", factors.codes_file, name="security-codes-file"),
    path("settings/security/codes/new/", factors.codes_new, name="security-codes-new"),
    path("settings/security/sessions/end-others/", security.others_over, name="security-sessions-end"),
    path("settings/security/sessions/<int:session_id>/end/", security.session_over, name="security-session-end"),
    path("people/", listing.people, name="people"),
    path("people/person/<str:user_id>/", listing.person, name="person"),
    path("people/teams/", teams_pages.teams, name="teams"),
    path("people/teams/<int:team_id>/", teams_pages.team, name="team"),
    path("people/invitations/", invitations.invitations, name="invitations"),
    path("invitation/", accept.accept, name="accept"),
    path("invitation/<str:secret>/", accept.invitation, name="invitation"),
    path("audit/", audit.audit, name="audit"),
    path("audit/audit.csv", audit.export, name="audit-export"),
    path("login/", login.Login.as_view(), name="account_login"),  # as allauth knows it
    path("login/", login.Login.as_view(), name="login"),
    path("login/second/", second.second, name="mfa_authenticate"),
    path("login/second/", second.second, name="login-second"),
    path("login/forgot/", passwords.forgot, name="login-forgot"),
    path("login/reset/", passwords.reset, name="login-reset"),
    path("login/email/", email.email_link, name="login-email"),
    path("logout/", login.Logout.as_view(), name="logout"),
]

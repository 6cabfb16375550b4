"""Every address of the API, in one place."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from alerts import api as alerts
from alerts import assignment_api as assignment
from alerts import backtest_api as backtest
from alerts import incidents_api as incidents
from alerts import mutes_api as mutes
from alerts import notifications_api as notifications
from alerts import rules_api as rules
from devices import api as devices
from devices import audit_api as audit
from devices import simulations_api as simulations
from devices.errors import api_not_found
from ingestion import api as ingestion
from ingestion import pipeline_api as pipeline
from telara import converters  # noqa: F401  # registers what an id is
from telara.api_docs import api_docs

ALERT = "v1/alerts/<id:alert_id>/"
NOTIFICATIONS = "v1/notifications/"
RULE = "v1/rules/<slug:rule_id>/"

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", api_docs, name="api-docs"),
    path("v1/auth/token/", devices.TokenView.as_view(), name="api-token"),
    path("v1/auth/token/revoke/", devices.TokenRevokeView.as_view(), name="api-token-revoke"),
    path("v1/readings/", ingestion.ReadingList.as_view(), name="api-readings"),
    path("v1/wearers/", devices.WearerList.as_view(), name="api-wearers"),
    path("v1/wearers/<str:user_id>/", devices.WearerView.as_view(), name="api-wearer"),
    path("v1/devices/", devices.DeviceList.as_view(), name="api-devices"),
    path("v1/devices/<int:device_id>/", devices.DeviceView.as_view(), name="api-device"),
    path("v1/devices/<int:device_id>/token/", devices.DeviceTokenView.as_view(), name="api-device-token"),
    path("v1/alerts/", alerts.AlertList.as_view(), name="api-alerts"),
    path(ALERT, alerts.AlertView.as_view(), name="api-alert"),
    path(f"{ALERT}acknowledge/", alerts.Acknowledge.as_view(), name="api-alert-acknowledge"),
    path(f"{ALERT}snooze/", alerts.SnoozeView.as_view(), name="api-alert-snooze"),
    path(f"{ALERT}close/", alerts.CloseView.as_view(), name="api-alert-close"),
    path(f"{ALERT}reopen/", alerts.Reopen.as_view(), name="api-alert-reopen"),
    path(f"{ALERT}comment/", alerts.CommentView.as_view(), name="api-alert-comment"),
    path(f"{ALERT}assign/", assignment.Assign.as_view(), name="api-alert-assign"),
    path("v1/incidents/", incidents.IncidentList.as_view(), name="api-incidents"),
    path("v1/incidents/<id:incident_id>/", incidents.IncidentView.as_view(), name="api-incident"),
    path("v1/mutes/", mutes.MuteList.as_view(), name="api-mutes"),
    path("v1/mutes/<int:mute_id>/end/", mutes.MuteEndView.as_view(), name="api-mute-end"),
    path(f"{NOTIFICATIONS}channels/", notifications.ChannelList.as_view(), name="api-channels"),
    path(
        f"{NOTIFICATIONS}channels/<int:channel_id>/test/",
        notifications.ChannelTestView.as_view(),
        name="api-channel-test",
    ),
    path(f"{NOTIFICATIONS}routes/", notifications.RouteList.as_view(), name="api-routes"),
    path(f"{NOTIFICATIONS}deliveries/", notifications.DeliveryList.as_view(), name="api-deliveries"),
    path("v1/rules/", rules.RuleList.as_view(), name="api-rules"),
    path("v1/rules/backtest/", backtest.BacktestView.as_view(), name="api-backtest"),
    path(RULE, rules.RuleView.as_view(), name="api-rule"),
    path(f"{RULE}enable/", rules.EnableView.as_view(), name="api-rule-enable"),
    path(f"{RULE}disable/", rules.DisableView.as_view(), name="api-rule-disable"),
    path("v1/audit/", audit.AuditList.as_view(), name="api-audit"),
    path("v1/summaries/", alerts.SummaryList.as_view(), name="api-summaries"),
    path("v1/windows/", devices.WindowList.as_view(), name="api-windows"),
    path("v1/simulations/", simulations.SimulationList.as_view(), name="api-simulations"),
    path("v1/simulations/<int:simulation_id>/", simulations.SimulationView.as_view(), name="api-simulation"),
    path("v1/simulations/<int:simulation_id>/stop/", simulations.StopView.as_view(), name="api-simulation-stop"),
    path("v1/pipeline/", pipeline.PipelineView.as_view(), name="api-pipeline"),
    path("", api_not_found),
    path("<path:rest>", api_not_found),
]

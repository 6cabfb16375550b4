"""The addresses of the pages."""

from django.urls import path

from dashboard import alert, desk, login, simulator, triage, wearer, wearers
from dashboard.overview import views as overview
from dashboard.rules import backtest, draft
from dashboard.rules import views as rules

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("overview/parts/", overview.overview_parts, name="overview-parts"),
    path("wearers/", wearers.wearers, name="wearers"),
    path("wearers/<str:user_id>/", wearer.wearer, name="wearer"),
    path("alerts/", desk.desk, name="alerts"),
    path("alerts/<uuid:alert_id>/", alert.alert, name="alert"),
    path("triage/<uuid:alert_id>/<slug:action>/", triage.triage, name="triage"),
    path("triage/technical/snooze/", triage.snooze_technical, name="snooze-technical"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<slug:rule_id>/", rules.rule, name="rule"),
    path("rules/<slug:rule_id>/switch/", rules.switch, name="rule-switch"),
    path("rules/<slug:rule_id>/compare/", draft.compare, name="rule-compare"),
    path("rules/<slug:rule_id>/yaml/", rules.export, name="rule-yaml"),
    path("rules-lint/", draft.lint, name="rules-lint"),
    path("rules-backtest/", backtest.backtest, name="rules-backtest"),
    path("rules-backtest/progress/", backtest.progress, name="rules-backtest-progress"),
    path("rules-backtest/stop/", backtest.stop, name="rules-backtest-stop"),
    path("simulator/", simulator.simulator, name="simulator"),
    path("simulator/<int:simulation_id>/stop/", simulator.simulator_stop, name="simulator-stop"),
    path("login/", login.Login.as_view(), name="login"),
    path("logout/", login.Logout.as_view(), name="logout"),
]

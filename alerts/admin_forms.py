"""Forms of the admin: decisions about alerts, and rules as YAML."""

from typing import TYPE_CHECKING, Any

from django import forms

from alerts.models import Rule
from alerts.models.alert import CloseReason
from alerts.services.rules import rule_problems
from alerts.services.triage import NOTE_LENGTH

if TYPE_CHECKING:
    RuleModelForm = forms.ModelForm[Rule]
else:
    RuleModelForm = forms.ModelForm


class SnoozeForm(forms.Form):
    """For how long."""

    minutes = forms.TypedChoiceField(
        coerce=int,
        choices=[(5, "5 minutes"), (15, "15 minutes"), (60, "1 hour"), (240, "4 hours"), (1440, "24 hours")],
        help_text="At most 15 minutes for CRITICAL, 1 hour for HIGH, 4 hours for MEDIUM, 24 hours for LOW and INFO.",
    )
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, widget=forms.Textarea)


class CloseForm(forms.Form):
    """For which reason."""

    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *CloseReason.choices])
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, widget=forms.Textarea)


class RuleForm(RuleModelForm):
    """A rule as YAML; what is wrong with it is named with its place."""

    based_on = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    source = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"}))
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, help_text="Why.")

    class Meta:
        model = Rule
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = self.instance.versions.order_by("number").last() if self.instance.pk else None
        self.initial["source"] = newest.source if newest else ""
        self.initial["based_on"] = newest.number if newest else 0

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"].replace("\r\n", "\n")
        rule = self.instance if self.instance.pk else None
        problems = rule_problems(source=source, rule=rule, based_on=self.cleaned_data.get("based_on"))
        if problems:
            raise forms.ValidationError([f"{p.line}:{p.column}: {p.message}" for p in problems])
        return source

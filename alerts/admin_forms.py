"""Forms of the admin: decisions about alerts, and rules as YAML."""

from typing import TYPE_CHECKING, Any

from django import forms

from alerts.models import Rule
from alerts.models.alert import CloseReason
from alerts.rule_files import parse_rule
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

    source = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"}))
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, help_text="Why.")

    class Meta:
        model = Rule
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = self.instance.versions.order_by("number").last() if self.instance.pk else None
        self.initial["source"] = newest.source if newest else ""

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"].replace("\r\n", "\n")
        parsed = parse_rule(source)
        if parsed.rule is None:
            raise forms.ValidationError([f"{p.line}:{p.column}: {p.message}" for p in parsed.problems])
        if self.instance.pk and parsed.rule.id != self.instance.rule_id:
            raise forms.ValidationError(f"The id is {self.instance.rule_id}, and a rule keeps its id.")
        return source

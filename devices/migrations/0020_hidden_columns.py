"""Each person keeps which columns of the list of wearers they do not read."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0019_background_tick")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="hidden_columns",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=16),
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                size=None,
            ),
        ),
    ]

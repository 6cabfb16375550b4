from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0020_hidden_columns"),
    ]

    operations = [
        migrations.AddField(
            model_name="erasure",
            name="failing_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="erasure",
            name="failure",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
    ]

// Welcome: the browser knows the zone that one lives in; what was chosen already stays.

const zone = /** @type {HTMLSelectElement | null} */ (document.querySelector('select[name="time_zone"]'));
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && zone.value === "UTC" && [...zone.options].some((option) => option.value === here)) zone.value = here;

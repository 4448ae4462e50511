/** What an index's settings are called: the file in a folder, the table on an object store. */

export const settingsFileName = "settings.json";
export const settingsTableName = "settings";

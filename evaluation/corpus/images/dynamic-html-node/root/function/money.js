"use strict";
exports.money = (value, locale) => new Intl.NumberFormat(locale || "en", { style: "currency", currency: "EUR" }).format(value);

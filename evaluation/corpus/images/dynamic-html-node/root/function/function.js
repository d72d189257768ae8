// Pages by templates: {"template": "greeting", "name": …}.
"use strict";
const path = require("path");
const nunjucks = require("nunjucks");

const environment = nunjucks.configure(path.join(__dirname, "views"), { autoescape: true });
environment.addFilter("money", (value, locale) => require("./money").money(value, locale));

exports.handler = async (event) => {
  const values = { name: "nobody", rows: [], ...event };
  if (event.source) return environment.renderString(event.source, values);
  return new Promise((resolve, reject) => {
    environment.render(`${event.template || "greeting"}.html`, values, (error, text) => (error ? reject(error) : resolve(text)));
  });
};

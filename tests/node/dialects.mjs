// Calls with the SDKs for Node of several providers, unmodified; prints what came of each as a list in JSON.
// Argument: {"sdk", "root": "http://host:port", "calls": [{"apiKey", "model", "options": {…}}]}
import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { GoogleGenAI } from "@google/genai";
import { generateText } from "ai";

const { sdk, root, calls } = JSON.parse(process.argv[2]);
const prompt = "Hello";
const say = async (model, options) => (await generateText({ model, prompt, maxOutputTokens: 5, ...options })).text;

const sdks = {
  "@ai-sdk/openai": ({ apiKey, model, options }) =>
    say(createOpenAI({ apiKey, baseURL: `${root}/v1` }).chat(model), options),
  "@ai-sdk/anthropic": ({ apiKey, model, options }) =>
    say(createAnthropic({ apiKey, baseURL: `${root}/v1` })(model), options),
  "@ai-sdk/google": ({ apiKey, model, options }) =>
    say(createGoogleGenerativeAI({ apiKey, baseURL: `${root}/v1beta` })(model), options),
  "@anthropic-ai/sdk": async ({ apiKey, model, options }) => {
    const client = new Anthropic({ apiKey, baseURL: root, ...options });
    const messages = [{ role: "user", content: prompt }];
    return (await client.messages.create({ model, max_tokens: 5, messages })).content[0].text;
  },
  // It makes no second attempt unless it is told to.
  "@google/genai": async ({ apiKey, model }) => {
    const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: root } });
    return (await client.models.generateContent({ model, contents: prompt })).text;
  },
};

const told = [];
for (const call of calls) {
  try {
    told.push({ answer: await sdks[sdk](call) });
  } catch (error) {
    const { message, status, statusCode, type, requestID } = error;
    told.push({ error: { class: error.constructor.name, message, status: status ?? statusCode, type, requestID } });
  }
}
console.log(JSON.stringify(told));
